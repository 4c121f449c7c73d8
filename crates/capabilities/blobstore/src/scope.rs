//! This is where a component's containers and objects are, so that no component can name another's.
//!
//! A name becomes a piece of a path that every place can keep: lower-case letters, digits, `-` and four marks, at most
//! [`PIECE_MAX`] bytes of them. Each other byte is a mark and its two hexadecimal digits. Which mark it is depends on where the
//! byte stands among those that are kept as they are, so that pieces sort as the names do.
//!
//! ```text
//! Shop.eu/Photos 2024/a.png  ─▶  _53hop.2eeu / _50hotos%202024 / a.2epng
//! ```
//!
//! # Invariants
//!
//! 1. Different names have different pieces, also where upper and lower case are one.
//! 2. No piece is empty, holds a `/`, is `.` or `..`, or begins with [`RESERVED`]: those are free for a backend's own.
//! 3. A piece that is too long is cut, and ends in [`RESERVED`] and the name's digest: whoever lists keeps such a name beside.

use model::ComponentName;

/// A mark that no piece begins with.
pub(crate) const RESERVED: &str = "!";

/// The longest piece, in bytes: a file's name may have 255.
const PIECE_MAX: usize = 240;

/// The piece of the empty name.
const EMPTY: &str = "%";

/// One container of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    component: ComponentName,
    component_piece: String,
    piece: String,
    name: String,
}

/// One object in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    container: Container,
    piece: String,
    name: String,
}

// === impl Container ===

impl Container {
    /// The container of that name.
    pub fn new(component: &ComponentName, name: &str) -> Self {
        let component_piece = piece(component.as_str());
        Self { component: component.clone(), component_piece, piece: piece(name), name: name.to_owned() }
    }

    /// The object of that name in this container.
    pub fn object(&self, name: &str) -> Object {
        Object { container: self.clone(), piece: piece(name), name: name.to_owned() }
    }

    /// As the component calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    pub(crate) fn component(&self) -> &ComponentName {
        &self.component
    }

    /// Two pieces of a path: the component's, and its own.
    pub(crate) fn pieces(&self) -> [&str; 2] {
        [&self.component_piece, &self.piece]
    }
}

// === impl Object ===

impl Object {
    /// The container that it is in.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// As the component calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last piece of its path, by which the objects of a container are sorted.
    pub(crate) fn piece(&self) -> &str {
        &self.piece
    }

    /// Whether its name cannot be told from its piece, and is kept beside it.
    pub(crate) fn is_cut(&self) -> bool {
        is_cut(&self.piece)
    }
}

/// Whether it is the piece of a name that was too long.
pub(crate) fn is_cut(piece: &str) -> bool {
    piece.contains(RESERVED)
}

/// The name that has this piece; nothing where it is cut, or no piece at all.
pub(crate) fn name_of(piece: &str) -> Option<String> {
    if piece == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let [first, after @ ..] = rest {
        if is_kept(*first) {
            bytes.push(*first);
            rest = after;
        } else {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(*data_encoding::HEXLOWER.decode(digits).ok()?.first()?);
            rest = after;
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (self::piece(&name) == piece).then_some(name)
}

fn piece(name: &str) -> String {
    if name.is_empty() {
        return EMPTY.to_owned();
    }
    let mut piece = String::with_capacity(name.len());
    for byte in name.bytes() {
        if is_kept(byte) {
            piece.push(char::from(byte));
        } else {
            piece.push(mark(byte));
            piece.push_str(&data_encoding::HEXLOWER.encode(&[byte]));
        }
    }
    if piece.len() > PIECE_MAX {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        piece.truncate(PIECE_MAX - digest.len() - RESERVED.len());
        piece.push_str(RESERVED);
        piece.push_str(&digest);
    }
    piece
}

fn is_kept(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}

/// A mark that sorts among the kept bytes as this byte does.
fn mark(byte: u8) -> char {
    match byte {
        ..=b',' => '%',
        b'-'..=b'/' => '.',
        b'0'..=b'`' => '_',
        _ => '~',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each character that is one byte, and some that are more.
    fn characters() -> impl Iterator<Item = char> {
        ('\0'..='\u{ff}').chain(['Ω', '中', '🌿', '\u{10ffff}'])
    }

    #[test]
    fn a_name_is_had_back_from_its_piece() {
        let hostile =
            ["", ".", "..", "../..", "/", "a/b", "%", "!", "!x", "%2e", "a%", "CON", "Ünï", "\0"].map(str::to_owned);
        for name in characters().map(String::from).chain(hostile) {
            let piece = piece(&name);
            assert_eq!(name_of(&piece).as_ref(), Some(&name), "{piece}");
            assert!(!piece.is_empty() && !piece.starts_with(RESERVED) && piece != "." && piece != "..", "{name:?}");
            assert!(piece.bytes().all(|byte| is_kept(byte) || b"%._~".contains(&byte)), "{piece}");
        }
    }

    #[test]
    fn pieces_sort_as_names_do() {
        let names: Vec<String> =
            characters().flat_map(|one| ["", "a", "A", "."].map(|two| format!("{one}{two}"))).collect();
        for one in &names {
            for two in &names {
                assert_eq!(piece(one).cmp(&piece(two)), one.cmp(two), "{one:?} and {two:?}");
            }
        }
    }

    #[test]
    fn long_names_stay_short_and_apart() {
        let base = "Ω".repeat(512);
        let others = [format!("{base}a"), format!("{base}b"), base];
        let pieces: std::collections::BTreeSet<String> = others.iter().map(|name| piece(name)).collect();
        assert_eq!(pieces.len(), 3);
        for piece in pieces {
            assert_eq!(piece.len(), PIECE_MAX);
            assert!(is_cut(&piece));
            assert_eq!(name_of(&piece), None);
        }
    }

    #[test]
    fn what_is_no_piece_has_no_name() {
        for text in ["A", "a.", "a.2", "a.2E", "%2e", "%61", "_ff", ".uploads", "a!b", "%%"] {
            assert_eq!(name_of(text), None, "{text}");
        }
    }
}
