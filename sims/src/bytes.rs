//! The bytes of checkpoints: little endian, bounded before allocated.

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("damaged: {what}")]
pub struct Damaged {
    what: String,
}

impl Damaged {
    /// What is wrong, with numbers.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// Bytes that are read from front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From the first of these bytes on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Damaged`] if there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Damaged> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            let left = self.rest.len();
            return Err(Damaged::new(format!(
                "{len} bytes are needed and {left} are left"
            )));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Damaged`] if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| Damaged::new("a length that cannot be"))
    }

    /// A number.
    ///
    /// # Errors
    /// [`Damaged`] if there are fewer than eight bytes.
    pub fn u64(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length of something of which each takes at least `bytes_each`: never more than what is left can hold, so that a
    /// lie allocates nothing.
    ///
    /// # Errors
    /// [`Damaged`] if it is more.
    pub fn len(&mut self, bytes_each: usize) -> Result<usize, Damaged> {
        let len = self.u64()?;
        let most = self.left() / bytes_each.max(1);
        usize::try_from(len)
            .ok()
            .filter(|&len| len <= most)
            .ok_or_else(|| {
                Damaged::new(format!("a length of {len} where at most {most} can follow"))
            })
    }

    /// Bytes with their length before them, as [`put_bytes`] writes them.
    ///
    /// # Errors
    /// [`Damaged`] if there are fewer than said.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let len = self.len(1)?;
        self.take(len)
    }

    /// Text with its length before it.
    ///
    /// # Errors
    /// [`Damaged`] if there is less than said, or it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|error| Damaged::new(error.to_string()))
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Damaged`] if something is.
    pub fn end(self) -> Result<(), Damaged> {
        match self.left() {
            0 => Ok(()),
            left => Err(Damaged::new(format!("{left} bytes too many"))),
        }
    }
}

/// Bytes with their length before them.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}
