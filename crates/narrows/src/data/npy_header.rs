//! The header of an NPY file: element type, order, shape.
//!
//! Written down in NumPy's `numpy/lib/format.py`, versions 1.0, 2.0 and 3.0: magic, version, header length, and a
//! Python dictionary of exactly three keys. What is read here is that dictionary and nothing else of Python.

use std::io::Read;
use std::path::Path;

use super::bytes::read_header;
use super::error::DataError;

pub(super) const FORMAT: &str = "NPY";

/// NumPy itself refuses to read longer headers from files that it does not trust.
const MOST_HEADER: usize = 10_000;

/// What an NPY file says about its elements.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    /// The element type in NumPy's notation: '<f8'.
    pub descr: String,
    /// Whether the first axis changes fastest.
    pub fortran: bool,
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// Bytes before the elements.
    pub bytes: u64,
}

/// Reads the header; the reader then stands at the first element.
pub(super) fn read(path: &Path, reader: &mut dyn Read) -> Result<Header, DataError> {
    let mut start = [0; 8];
    read_header(path, FORMAT, reader, &mut start)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err(DataError::WrongMagic {
            path: path.to_path_buf(),
            format: "an NPY file",
            expected: "93 \"NUMPY\"",
            found: start[..6].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        });
    }
    let malformed = |reason| DataError::Malformed { path: path.to_path_buf(), format: FORMAT, reason };
    let mut length = [0; 4];
    let size = match start[6] {
        1 => 2,
        2 | 3 => 4,
        other => return Err(malformed(format!("version {other}, expected 1, 2 or 3"))),
    };
    read_header(path, FORMAT, reader, &mut length[..size])?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_HEADER {
        return Err(malformed(format!("a header of {length} bytes, expected at most {MOST_HEADER}")));
    }
    let mut text = vec![0; length];
    read_header(path, FORMAT, reader, &mut text)?;
    let text = String::from_utf8(text).map_err(|_| malformed("the header is not text".to_string()))?;
    let (descr, fortran, shape) = Parser { rest: &text }.dictionary().map_err(malformed)?;
    Ok(Header { descr, fortran, shape, bytes: (8 + size + length) as u64 })
}

/// What is left of the header's text.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// The three keys, in any order, each once.
    fn dictionary(mut self) -> Result<(String, bool, Vec<usize>), String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect("{")?;
        while !self.accept("}") {
            let key = self.string()?;
            self.expect(":")?;
            match key {
                "descr" if descr.is_none() => descr = Some(self.element_type()?),
                "fortran_order" if fortran.is_none() => fortran = Some(self.boolean()?),
                "shape" if shape.is_none() => shape = Some(self.tuple()?),
                other => return Err(format!("unexpected {other:?} in the header")),
            }
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        match (descr, fortran, shape, self.rest.trim()) {
            (Some(descr), Some(fortran), Some(shape), "") => Ok((descr, fortran, shape)),
            (_, _, _, "") => Err("the header lacks one of descr, fortran_order, shape".to_string()),
            (_, _, _, rest) => Err(format!("unexpected {:?} after the header", start_of(rest))),
        }
    }

    /// Skips `token` if it comes next.
    fn accept(&mut self, token: &str) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Skips `token`, which must come next.
    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.accept(token) {
            true => Ok(()),
            false => {
                Err(format!("expected {token:?} in the header, found {:?}", start_of(self.rest.trim_start())))
            }
        }
    }

    /// Text in single or double quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        for quote in ["'", "\""] {
            if self.accept(quote) {
                let (text, rest) =
                    self.rest.split_once(quote).ok_or("a quote in the header is not closed")?;
                self.rest = rest;
                return Ok(text);
            }
        }
        Err(format!("expected a quote in the header, found {:?}", start_of(self.rest.trim_start())))
    }

    /// A type in quotes; a list of fields is passed on as it is, to be refused by name.
    fn element_type(&mut self) -> Result<String, String> {
        if !self.rest.trim_start().starts_with('[') {
            return self.string().map(str::to_string);
        }
        let (fields, rest) = self.rest.split_once(']').ok_or("a bracket in the header is not closed")?;
        self.rest = rest;
        Ok(format!("{}]", fields.trim_start()))
    }

    fn boolean(&mut self) -> Result<bool, String> {
        if self.accept("True") {
            return Ok(true);
        }
        self.expect("False").map(|()| false)
    }

    /// Sizes in parentheses: `()`, `(3,)`, `(3, 4)`.
    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let mut sizes = Vec::new();
        while !self.accept(")") {
            let rest = self.rest.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let size =
                rest[..end].parse().map_err(|_| format!("expected a size, found {:?}", start_of(rest)))?;
            sizes.push(size);
            self.rest = &rest[end..];
            // Python 2 wrote long integers with an L.
            self.accept("L");
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sizes)
    }
}

/// The first few letters, for a message.
fn start_of(text: &str) -> String {
    text.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, bool, Vec<usize>), String> {
        Parser { rest: text }.dictionary()
    }

    #[test]
    fn numpys_own_headers_are_read() {
        let read = parse("{'descr': '<f8', 'fortran_order': True, 'shape': (567498, 3), }      \n").unwrap();
        assert_eq!(read, ("<f8".to_string(), true, vec![567_498, 3]));
        assert_eq!(parse("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }").unwrap().2, [3]);
        assert_eq!(
            parse("{'shape': (), 'descr': '|u1', 'fortran_order': False}").unwrap().2,
            Vec::<usize>::new()
        );
        assert_eq!(parse("{\"shape\": (3L, 4L), 'descr': '|u1', 'fortran_order': False}").unwrap().2, [3, 4]);
        let fields =
            parse("{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (3,)}").unwrap();
        assert_eq!(fields.0, "[('a', '<f4'), ('b', '<i4')]");
    }

    #[test]
    fn anything_else_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "expected \"{\""),
            ("{'descr': '<f8'}", "lacks one of"),
            ("{'descr': '<f8', 'descr': '<f8'}", "unexpected \"descr\""),
            ("{'descr': '<f8', 'fortran_order': Maybe", "expected \"False\""),
            ("{'descr': '<f8", "not closed"),
            ("{'shape': (3, -4)", "expected a size"),
            ("{'shape': (99999999999999999999999,)", "expected a size"),
            ("{'shape': (3 4)", "expected \")\""),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)} import os", "after the header"),
            ("{'descr': [('a', '<f4')", "not closed"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn versions_magic_and_length_are_checked() {
        let read = |bytes: &[u8]| super::read(Path::new("a.npy"), &mut &bytes[..]).unwrap_err();
        assert!(matches!(read(b"\x93NUMPX\x01\x00"), DataError::WrongMagic { .. }));
        assert!(matches!(read(b"\x93NUM"), DataError::Truncated { .. }));
        assert!(matches!(read(b"\x93NUMPY\x01\x00\xff\x00abc"), DataError::Truncated { .. }));
        assert!(read(b"\x93NUMPY\x09\x00\x00\x00").to_string().contains("version 9"));
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").to_string().contains("4294967295 bytes"));
        assert!(read(b"\x93NUMPY\x01\x00\x02\x00\xff\xfe").to_string().contains("not text"));
    }
}
