//! Reads NumPy's .npy files of 32-bit floats in C order.

use std::path::Path;

/// An array with its shape.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Array {
    /// The rows of a two-dimensional array.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        assert_eq!(self.shape.len(), 2, "only a table has rows");
        self.values.chunks_exact(self.shape[1])
    }
}

/// Reads the array at `path`, which is relative to the crate.
pub fn read(path: &str) -> Array {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{} is version 1 of the format", path.display());
    let values_at = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..values_at]);
    assert!(header.contains("'descr': '<f4'"), "{} holds 32-bit floats", path.display());
    assert!(header.contains("'fortran_order': False"), "{} is in C order", path.display());
    let (_, shape) = header.split_once("'shape': (").expect("a header names the shape");
    let (shape, _) = shape.split_once(')').expect("the shape is a tuple");
    let shape: Vec<usize> =
        shape.split(',').filter_map(|n| Some(n.trim()).filter(|n| !n.is_empty())).map(number).collect();
    let values: Vec<f32> =
        bytes[values_at..].as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    assert_eq!(values.len(), shape.iter().product::<usize>(), "{} is whole", path.display());
    Array { shape, values }
}

fn number(text: &str) -> usize {
    text.parse().expect("a shape is made of numbers")
}
