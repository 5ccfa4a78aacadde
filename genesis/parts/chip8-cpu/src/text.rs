//! Text that is written into a fixed place: there is no heap, and `core::fmt` is half a page of code.

/// A text of at most `N` bytes; what does not fit is cut.
#[derive(Clone, Copy, Debug)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Text<N> {
    /// An empty text.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// Empties it.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Writes bytes.
    pub fn put(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Writes a number in decimal.
    pub fn put_number(&mut self, mut number: u32) -> &mut Self {
        let mut digits = [0; 10];
        let mut from = digits.len();
        loop {
            from -= 1;
            digits[from] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return self.put(&digits[from..]);
            }
        }
    }

    /// Writes the lowest `digits` digits of a number in base 16.
    pub fn put_hex(&mut self, number: u32, digits: u32) -> &mut Self {
        for digit in (0..digits).rev() {
            let digit = (number >> (4 * digit) & 15) as usize;
            self.put(&b"0123456789abcdef"[digit..=digit]);
        }
        self
    }
}

/// Reads a number: decimal, or base 16 behind `0x`.
pub fn number(word: &[u8]) -> Option<u32> {
    let (digits, base) = match word.strip_prefix(b"0x") {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: u32 = 0;
    for &digit in digits {
        let digit = char::from(digit).to_digit(base)?;
        number = number.checked_mul(base)?.checked_add(digit)?;
    }
    Some(number)
}
