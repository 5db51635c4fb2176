//! Where in the text a value of a YAML document stands.
//!
//! The parser tells places only with its errors. So the document is read once more, down to the wanted value, and an error is
//! raised there.

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One step down into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Value of a key.
    Key(String),
    /// The key itself.
    Name(String),
    /// Item of a sequence, from 0.
    Item(usize),
}

/// Line and column of a value, both from 1.
pub fn place(text: &str, path: &[Step]) -> Option<(usize, usize)> {
    let document = serde_yaml::Deserializer::from_str(text);
    let error = Walk(path).deserialize(document).err()?;
    let at = error.location()?;
    Some((at.line(), at.column()))
}

struct Walk<'p>(&'p [Step]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

/// What is not a mapping or a sequence is refused by the trait's own methods: that is the place.
impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, stop) = match self.0.first() {
            Some(Step::Key(key)) => (key, false),
            Some(Step::Name(key)) => (key, true),
            _ => return Err(A::Error::custom("here")),
        };
        while let Some(found) = map.next_key_seed(KeyIs { wanted, stop })? {
            if found {
                return map.next_value_seed(Walk(&self.0[1..]));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(Step::Item(wanted)) = self.0.first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..*wanted {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(Walk(&self.0[1..]))?;
        Err(A::Error::custom("here"))
    }
}

struct KeyIs<'p> {
    wanted: &'p str,
    /// Raise the error at the key.
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let found = key == self.wanted;
        if found && self.stop {
            return Err(E::custom("here"));
        }
        Ok(found)
    }

    // Any other key is not the one.
    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_items_are_found() {
        let text = "# c\nprofile: login\nboot: {memory: x, smp: 2}\nlist:\n  - a: 1\n    b: 2\n  - a: 3\n    c:\n";
        let key = |k: &str| Step::Key(k.into());
        let name = |k: &str| Step::Name(k.into());
        assert_eq!(place(text, &[key("profile")]), Some((2, 10)));
        assert_eq!(place(text, &[name("profile")]), Some((2, 1)));
        assert_eq!(place(text, &[key("boot"), name("smp")]), Some((3, 19)));
        assert_eq!(place(text, &[key("boot"), key("memory")]), Some((3, 16)));
        let second = [key("list"), Step::Item(1), key("a")];
        assert_eq!(place(text, &second), Some((7, 8)));
        assert_eq!(place(text, &[key("list"), Step::Item(1)]), Some((7, 5)));
        let odd = "? [a, b]\n: c\n1: x\n2.5: y\ntrue: z\nnull: z\n? {a: b}\n: c\nboot: 1\n";
        assert_eq!(place(odd, &[key("boot")]), Some((9, 7)));
        let empty = [key("list"), Step::Item(1), name("c")];
        assert_eq!(place(text, &empty), Some((8, 5)));
    }
}
