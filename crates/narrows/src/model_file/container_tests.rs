//! Tests of `container`.

use super::*;

fn payload() -> Payload {
    let tensor = |name: &str, shape: &[usize], values: &[f32]| NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    let tensors = vec![tensor("a.weight", &[2, 2], &[1.0, -2.0, 0.5, 1e-40]), tensor("b", &[1], &[f32::MAX])];
    Payload { description: r#"{"what":"a test, with \u00e9 and \"quotes\""}"#.to_owned(), tensors }
}

fn file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    write(&path, "model", &payload()).unwrap();
    std::fs::read(path).unwrap()
}

fn parsed(file: &[u8]) -> Result<Payload, ModelFileError> {
    parse(Path::new("m"), "model", file)
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(parsed(&file()).unwrap(), payload());
}

#[test]
fn every_beginning_of_a_file_is_refused() {
    let file = file();
    for length in 0..file.len() {
        assert!(parsed(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
    assert!(parsed(&[&file[..], b" "].concat()).is_err());
}

/// Of all single bits, those that can be turned without notice are in the header and mean nothing, such as the white space
/// that fills it up.
#[test]
fn every_bit_is_guarded_or_means_nothing() {
    let file = file();
    let header = 8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut altered = file.clone();
            altered[at] ^= 1 << bit;
            match parsed(&altered) {
                Ok(found) => assert!(at < header && found == payload(), "bit {bit} of byte {at}"),
                Err(ModelFileError::Altered { .. }) => {}
                Err(error) => assert!(at < header, "bit {bit} of byte {at}: {error}"),
            }
        }
    }
}
