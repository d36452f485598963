//! Compiling programs: places for values.

use super::tile::{Operation, Place, TileProgram};
use crate::plan::program::{Access, Instruction, Program, Value};

/// Assigns registers, splats and memory to the values of a program.
pub struct Compiler<'p> {
    program: &'p Program,
    last_use: Vec<usize>,
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    result: TileProgram,
}

impl<'p> Compiler<'p> {
    /// Starts on a program.
    pub fn new(program: &'p Program) -> Self {
        let count = program.instructions.len();
        let mut last_use = vec![0; count];
        for (at, instruction) in program.instructions.iter().enumerate() {
            instruction.operands().into_iter().for_each(|operand| last_use[operand] = at);
        }
        for value in program.stores.iter().map(|store| store.0).chain(program.reduced) {
            last_use[value] = count;
        }
        let result = TileProgram { registers: 1, ..TileProgram::default() };
        Compiler { program, last_use, places: vec![None; count], free: Vec::new(), result }
    }

    /// Assigns every place.
    pub fn run(mut self) -> TileProgram {
        for at in 0..self.program.instructions.len() {
            self.instruction(at);
        }
        for (value, buffer) in &self.program.stores {
            let Some(place) = self.places[*value] else {
                unreachable!("every value has a place once computed")
            };
            if place != Place::Memory(*buffer) {
                self.result.copies.push((place, *buffer));
            }
        }
        self.result.streams_read = self.result.streams.len();
        for (_, buffer) in &self.program.stores {
            if !self.result.streams.contains(buffer) {
                self.result.streams.push(*buffer);
            }
        }
        self.result.reduced = self.program.reduced.and_then(|value| self.places[value]);
        self.result
    }

    fn instruction(&mut self, at: Value) {
        let instruction = self.program.instructions[at];
        self.places[at] = Some(match instruction {
            Instruction::Result => Place::Register(0),
            Instruction::Load(buffer, Access::Full) => {
                self.result.streams.push(buffer);
                Place::Memory(buffer)
            }
            Instruction::Load(buffer, Access::Row) => {
                // Never given up: the next stretch reads it again.
                let register = self.new_register();
                self.result.rows.push((buffer, register));
                Place::Row(register)
            }
            Instruction::Load(buffer, Access::Broadcast(axis)) => {
                let register = self.new_register();
                self.result.broadcast.push((buffer, axis, register));
                Place::Broadcast(self.result.broadcast.len() - 1)
            }
            Instruction::Constant(_) | Instruction::Scalar(_) | Instruction::Load(_, Access::Single) => {
                self.result.splats.push(instruction);
                Place::Splat(self.result.splats.len() - 1)
            }
            _ => {
                let mut operands = [Place::Splat(0); 4];
                for (slot, operand) in operands.iter_mut().zip(instruction.operands()) {
                    *slot = self.places[operand].unwrap_or(Place::Splat(0));
                }
                // Operands used for the last time give their registers up first: reading and writing in place is fine.
                self.release(at);
                let to = self.destination(at);
                self.result.operations.push(Operation { instruction, to, operands });
                to
            }
        });
    }

    fn release(&mut self, at: Value) {
        let mut operands = self.program.instructions[at].operands();
        operands.sort_unstable();
        operands.dedup();
        for operand in operands {
            if self.last_use[operand] == at
                && let Some(Place::Register(register)) = self.places[operand]
            {
                self.free.push(register);
            }
        }
    }

    /// A value that is stored goes straight to its buffer, unless somebody still reads what stands there.
    fn destination(&mut self, at: Value) -> Place {
        let straight = self.program.stores.iter().find(|(value, buffer)| {
            let read_later = |(load, instruction): (usize, &Instruction)| {
                matches!(instruction, Instruction::Load(from, _) if from == buffer)
                    && self.last_use[load] > at
            };
            *value == at && !self.program.instructions.iter().enumerate().any(read_later)
        });
        if let Some((_, buffer)) = straight {
            return Place::Memory(*buffer);
        }
        Place::Register(self.free.pop().unwrap_or_else(|| self.new_register()))
    }

    fn new_register(&mut self) -> usize {
        self.result.registers += 1;
        self.result.registers - 1
    }
}
