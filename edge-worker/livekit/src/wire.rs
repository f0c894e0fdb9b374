//! Reads the fields of a protobuf message without knowing its type, to copy what
//! we do not understand unchanged and to bound what we do before it is decoded.

/// One field as it stands in a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Field<'a> {
    /// Its number.
    pub(crate) number: u32,
    /// Tag, length and value.
    pub(crate) whole: &'a [u8],
    /// The content of a length-delimited field; empty for other types.
    pub(crate) content: &'a [u8],
}

/// Not a protobuf message, or one with groups, which no LiveKit message has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a protobuf message")]
pub(crate) struct Malformed;

/// The fields of `message` in order.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.rest;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if number == 0 {
            return Err(Malformed);
        }
        let mut content: &[u8] = &[];
        match tag & 7 {
            0 => {
                self.varint()?;
            }
            1 => {
                self.take(8)?;
            }
            2 => {
                let length = self.varint()?;
                content = self.take(length)?;
            }
            5 => {
                self.take(4)?;
            }
            _ => return Err(Malformed),
        }
        let whole = &start[..start.len() - self.rest.len()];
        Ok(Field {
            number,
            whole,
            content,
        })
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for (index, byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Appends a length-delimited field.
pub(crate) fn put(number: u32, content: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// Appends a number.
pub(crate) fn put_number(number: u32, value: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3, out);
    put_varint(value, out);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_back() {
        let mut message = Vec::new();
        put(1, b"abc", &mut message);
        put_number(300, 1 << 40, &mut message);
        put(2, &[7; 200], &mut message);
        let read: Vec<_> = fields(&message).map(Result::unwrap).collect();
        let numbers: Vec<_> = read.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 300, 2]);
        assert_eq!(read[0].content, b"abc");
        assert_eq!(read[2].content, [7; 200]);
        let copied: Vec<u8> = read.iter().flat_map(|field| field.whole).copied().collect();
        assert_eq!(copied, message);
    }

    #[test]
    fn what_is_no_message_ends_with_an_error() {
        for bytes in [
            &[0x0a, 5, 1][..],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x80; 11],
            &[0x80],
            &[0x00, 0],
            &[0x0b],
            &[0x0c],
            &[0x0d, 0, 0],
            &[0x09, 0],
            &[0x0f],
        ] {
            assert_eq!(fields(bytes).last(), Some(Err(Malformed)), "{bytes:?}");
        }
    }
}
