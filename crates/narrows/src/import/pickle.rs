//! Python's pickles, as far as PyTorch's files of weights need them: a program for a stack machine, of which only what builds data is run.
//! Whatever a pickle wants to call is noted down, never called.

use std::collections::HashMap;

/// Bytes of a function's name at most, of whatever is named.
const LONGEST_NAME: usize = 1000;

/// A value's place among [`Pickle::values`].
pub type Handle = usize;

/// A value, the values in it by their places: what is named twice lies there once.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Handle>),
    /// A dictionary, in the order in which it was filled.
    Dictionary(Vec<(Handle, Handle)>),
    /// A function or class: `module.name`.
    Name(String),
    /// What a function would have made of its arguments.
    Call(Handle, Handle),
    /// What lies outside the pickle, by what it is called there.
    Outside(Handle),
    /// Yes or no.
    Truth(bool),
    /// Anything else: nothing, fractions, bytes, sets.
    Other,
}

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickle {
    /// All values.
    pub values: Vec<Value>,
    /// The one that was pickled.
    pub root: Handle,
    /// Bytes that it took.
    pub length: usize,
}

impl Pickle {
    /// What a dictionary holds; anything else holds nothing.
    pub fn entries(&self, handle: Handle) -> &[(Handle, Handle)] {
        match &self.values[handle] {
            Value::Dictionary(entries) => entries,
            _ => &[],
        }
    }

    /// A text that could be a name.
    pub fn text(&self, handle: Handle) -> Option<&str> {
        match &self.values[handle] {
            Value::Text(text) if text.len() <= LONGEST_NAME && !text.contains(char::is_control) => Some(text),
            _ => None,
        }
    }
}

/// Reads the pickle that `bytes` begin with.
///
/// # Errors
/// What is wrong, in words.
pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, ..Machine::default() };
    while !machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { values: machine.values, root, length: machine.at })
}

#[derive(Default)]
struct Machine<'b> {
    bytes: &'b [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Handle>,
    /// Heights of the stack to come back to.
    marks: Vec<usize>,
    memo: HashMap<u32, Handle>,
}

impl Machine<'_> {
    /// Runs one instruction; whether it was the last.
    fn step(&mut self) -> Result<bool, String> {
        let start = self.at;
        match self.byte()? {
            b'.' => return Ok(true),
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
            b'}' => self.push(Value::Dictionary(Vec::new())),
            b't' | b'l' | 0x91 => {
                let all = self.above_mark()?;
                self.push(Value::Sequence(all));
            }
            count @ 0x85..=0x87 => {
                let mut all = (0x84..count).map(|_| self.pop()).collect::<Result<Vec<_>, String>>()?;
                all.reverse();
                self.push(Value::Sequence(all));
            }
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Whole(number.into()));
            }
            b'M' => self.whole(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Whole(number.into()));
            }
            0x8a => {
                let length = self.byte()?;
                self.whole(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                self.whole(length as usize)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            b'N' => self.push(Value::Other),
            truth @ (0x88 | 0x89) => self.push(Value::Truth(truth == 0x88)),
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length as usize)?;
            }
            0x8c | b'U' => {
                let length = self.byte()?;
                self.text(length.into())?;
            }
            0x8d => {
                let length = self.long_length()?;
                self.text(length)?;
            }
            bytes @ (b'B' | b'C' | 0x8e | 0x96) => {
                let length = match bytes {
                    b'B' => u32::from_le_bytes(self.array()?) as usize,
                    b'C' => self.byte()?.into(),
                    _ => self.long_length()?,
                };
                self.take(length)?;
                self.push(Value::Other);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name))
                        if module.len().max(name.len()) < LONGEST_NAME =>
                    {
                        let (module, name) = (module.clone(), name.clone());
                        self.name(&module, &name)?;
                    }
                    _ => return Err("a function without a name".to_owned()),
                }
            }
            b'q' => {
                let key = self.byte()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.array()?);
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let key = self.byte()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.array()?);
                self.recall(key)?;
            }
            b'Q' => {
                let called = self.pop()?;
                self.push(Value::Outside(called));
            }
            b'R' | 0x81 => self.call()?,
            // With named arguments on top.
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            // What an object is told after it was made says nothing of tensors.
            b'b' | b'0' => drop(self.pop()?),
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.fill(&[key, value])?;
            }
            b'u' => {
                let all = self.above_mark()?;
                self.fill(&all)?;
            }
            b'a' => {
                let value = self.pop()?;
                self.append(&[value])?;
            }
            b'e' | 0x90 => {
                let all = self.above_mark()?;
                self.append(&all)?;
            }
            other => return Err(format!("instruction {other:#04x} at byte {start} is not known")),
        }
        Ok(false)
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let whole = format!("{module}.{name}");
        if whole.len() > LONGEST_NAME || whole.contains(char::is_control) {
            return Err("a function whose name is none".to_owned());
        }
        self.push(Value::Name(whole));
        Ok(())
    }

    fn long_length(&mut self) -> Result<usize, String> {
        let length = u64::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| format!("it ends after {} bytes", self.bytes.len()))
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let ordered = matches!(&self.values[called], Value::Name(name) if name == "collections.OrderedDict");
        let made = if ordered { Value::Dictionary(Vec::new()) } else { Value::Call(called, arguments) };
        self.push(made);
        Ok(())
    }

    /// Keys and values, one after another, into the dictionary on top; an object of another kind keeps what it is told to itself.
    fn fill(&mut self, all: &[Handle]) -> Result<(), String> {
        let top = self.top()?;
        if let Value::Dictionary(entries) = &mut self.values[top] {
            entries.extend(all.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn append(&mut self, all: &[Handle]) -> Result<(), String> {
        let top = self.top()?;
        if let Value::Sequence(list) = &mut self.values[top] {
            list.extend(all);
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Handle, String> {
        self.stack.pop().ok_or_else(|| "a value is used that was never made".to_owned())
    }

    fn top(&self) -> Result<Handle, String> {
        self.stack.last().copied().ok_or_else(|| "a value is used that was never made".to_owned())
    }

    fn above_mark(&mut self) -> Result<Vec<Handle>, String> {
        let height = self.marks.pop().filter(|height| *height <= self.stack.len());
        Ok(self.stack.split_off(height.ok_or("a list ends that never began")?))
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let known = self.memo.get(&key).ok_or("a value is recalled that was never remembered")?;
        self.stack.push(*known);
        Ok(())
    }

    /// A whole number of so many bytes; of the long ones that no tensor needs, what fits.
    fn whole(&mut self, length: usize) -> Result<(), String> {
        let bytes = self.take(length)?;
        // Long numbers carry a sign, and short ones (`M`) do not.
        let negative = length > 2 && bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        let kept = length.min(8);
        wide[..kept].copy_from_slice(&bytes[..kept]);
        self.push(Value::Whole(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("it ends in the middle of a name")?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends after {} bytes", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_built_and_nothing_is_called() {
        // pickle.dumps(OrderedDict(a=(1, 2, 70000, -3), b=[print]), 2), and what comes behind it.
        let bytes = b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01(X\x01\0\0\0aq\x02(K\x01K\x02Jp\x11\x01\0J\xfd\xff\xff\xfftq\x03X\x01\0\0\0bq\x04]q\x05c__builtin__\nprint\nq\x06au.more";
        let pickle = read(bytes).unwrap();
        assert_eq!(pickle.length, bytes.len() - 4);
        let Value::Dictionary(entries) = &pickle.values[pickle.root] else { panic!("{pickle:?}") };
        let at = |handle: Handle| &pickle.values[handle];
        assert_eq!(
            entries.iter().map(|(key, _)| at(*key)).collect::<Vec<_>>(),
            [&Value::Text("a".into()), &Value::Text("b".into())]
        );
        let Value::Sequence(numbers) = at(entries[0].1) else { panic!() };
        let numbers: Vec<&Value> = numbers.iter().map(|number| at(*number)).collect();
        assert_eq!(numbers, [&Value::Whole(1), &Value::Whole(2), &Value::Whole(70000), &Value::Whole(-3)]);
        let Value::Sequence(list) = at(entries[1].1) else { panic!() };
        assert_eq!(at(list[0]), &Value::Name("__builtin__.print".into()));
    }

    #[test]
    fn whatever_is_cut_or_changed_is_refused_or_read_but_never_a_panic() {
        let bytes = b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01(X\x01\0\0\0aq\x02(K\x01K\x02Jp\x11\x01\0tq\x03X\x01\0\0\0bh\x02u.";
        assert!(read(bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.to_vec();
                changed[at] = value;
                let _ = read(&changed);
            }
        }
    }
}
