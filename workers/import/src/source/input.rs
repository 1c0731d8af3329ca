//! The bytes of one file: unpacked, without a byte order mark, counted, and stopped by a cancel.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::Compression;
use crate::{
    fault::{Fault, FaultKind, ReadError},
    limits::READ_BUFFER_BYTES,
    meter::Meter,
};

/// A file being read. Memory: two buffers, whatever the file's size.
pub struct Input<'m> {
    reader: Box<dyn BufRead + Send + 'm>,
    meter: &'m Meter,
    offset: u64,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<'m> Input<'m> {
    /// Opens a regular file and skips a UTF-8 byte order mark.
    ///
    /// # Errors
    /// A [`Fault`] that says why it cannot be opened, is empty, or is evidently in another encoding.
    pub fn open(path: &Path, compression: Compression, meter: &'m Meter) -> Result<Self, ReadError> {
        // Asked before opening: opening a pipe that nobody writes to would block for ever.
        let kind = std::fs::metadata(path).map_err(|error| Fault::io("open it", &error))?;
        if !kind.is_file() {
            return Err(Fault::of_file(FaultKind::Io, "it is not a regular file").into());
        }
        if kind.len() == 0 {
            return Err(Fault::of_file(FaultKind::Empty, "the file is empty").into());
        }
        let file = File::open(path).map_err(|error| Fault::io("open it", &error))?;
        let counted = BufReader::with_capacity(READ_BUFFER_BYTES, Counted { file, meter });
        let reader: Box<dyn BufRead + Send + 'm> = match compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(BufReader::with_capacity(READ_BUFFER_BYTES, MultiGzDecoder::new(counted))),
        };
        Self::begin(reader, compression, meter)
    }

    fn begin(
        reader: Box<dyn BufRead + Send + 'm>,
        compression: Compression,
        meter: &'m Meter,
    ) -> Result<Self, ReadError> {
        let mut input = Self { reader, meter, offset: 0 };
        let head = input.fill()?;
        let fault = match head {
            [] => Some((FaultKind::Empty, "the file is empty")),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some((FaultKind::Encoding, "it is UTF-16; save it as UTF-8")),
            [0x1F, 0x8B, ..] if compression == Compression::None => {
                Some((FaultKind::Encoding, "its content is gzip; let its name end in .gz"))
            }
            _ => None,
        };
        if let Some((kind, message)) = fault {
            return Err(Fault::of_file(kind, message).into());
        }
        if head.starts_with(b"\xEF\xBB\xBF") {
            input.consume(3);
        }
        Ok(input)
    }

    /// What is there to be read next; empty at the end of the file.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`], or the fault that ends the file early.
    pub fn fill(&mut self) -> Result<&[u8], ReadError> {
        self.meter.check()?;
        let offset = self.offset;
        loop {
            // Asked twice, because the borrow of a successful first answer would outlive the loop.
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_fault(&error, offset).into()),
            }
        }
        self.reader.fill_buf().map_err(|error| read_fault(&error, offset).into())
    }

    /// Marks bytes of [`Self::fill`] as read.
    pub fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        self.offset += bytes as u64;
    }

    /// How many bytes of the (unpacked) content were consumed.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

/// Errors of the operating system carry a number; the others come from the gzip decoder.
fn read_fault(error: &std::io::Error, offset: u64) -> Fault {
    if error.raw_os_error().is_some() {
        return Fault::io("read it", error);
    }
    let what = if error.kind() == std::io::ErrorKind::UnexpectedEof {
        "the gzip data ends too early; the file is cut off".to_owned()
    } else {
        format!("the gzip data is damaged ({error})")
    };
    Fault::of_file(FaultKind::Gzip, format!("{what}, after {offset} unpacked bytes"))
}

struct Counted<'m> {
    file: File,
    meter: &'m Meter,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.meter.add_bytes(count as u64);
        Ok(count)
    }
}
