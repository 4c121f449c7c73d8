//! Finds the claims that a program carries, and the digest of the program that they are to be about.
//!
//! Claims are a token in a custom section. They cannot be about the bytes that they lie in: the digest is that of the program
//! without them, each section with its length written in the shortest way. So a tool that writes lengths otherwise changes
//! nothing, and every other change of the program is noticed.
//!
//! # Invariants
//!
//! 1. Bytes that cannot be read to their end have the digest of nothing that anybody signs.
//!
//! # Not here
//!
//! Whether they hold (`trust`).

use data_encoding::HEXUPPER;
use ring::digest::{SHA256, digest};
use wasmparser::{Encoding, Parser, Payload};

/// The section of claims, at the outermost level.
const SECTION: &str = "wasmcloud_jwt";

/// What it was called before: then at any level.
const EARLY_SECTION: &str = "jwt";

/// Of a longer token so much is taken as shows that it is none.
const TOKEN_MAX: usize = 128 << 10;

/// What stands before a component in a component, and before a core module.
const COMPONENT_SECTION: u8 = 4;
const MODULE_SECTION: u8 = 1;

const COMPONENT_HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE_HEAD: &[u8] = b"\0asm\x01\0\0\0";

/// Claims with the digest that they are to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The tokens, in order. There may be one.
    pub tokens: Vec<String>,
    /// The program without them: SHA-256 in hexadecimal.
    pub digest: String,
}

/// A component or module that is read, and how much of it.
#[derive(Default)]
struct Level {
    bytes: Vec<u8>,
    is_component: bool,
}

/// The claims in a program, and its digest.
pub fn carried(program: &[u8]) -> Carried {
    let (mut tokens, mut above, mut level) = (Vec::new(), Vec::new(), Level::default());
    for payload in Parser::new(0).parse_all(program).map_while(Result::ok) {
        match &payload {
            Payload::Version { encoding, .. } => level.begin(*encoding),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => above.push(std::mem::take(&mut level)),
            Payload::End(_) => {
                let Some(outer) = above.pop() else { break };
                let inner = std::mem::replace(&mut level, outer);
                level.add(inner.section(), &inner.bytes);
            }
            Payload::CustomSection(section) if is_claims(section.name()) => {
                if are_in(section.name(), above.len()) {
                    let token = &section.data()[..section.data().len().min(TOKEN_MAX)];
                    tokens.push(String::from_utf8_lossy(token).into_owned());
                }
            }
            section => {
                if let Some((id, range)) = section.as_section() {
                    // One that says to be longer than the program is the last that is read.
                    let Some(content) = program.get(range) else { break };
                    level.add(id, content);
                }
            }
        }
    }
    Carried { tokens, digest: HEXUPPER.encode(digest(&SHA256, &level.bytes).as_ref()) }
}

/// Whether a custom section of this name, so deep in a program, has its claims.
pub(crate) fn are_in(name: &str, depth: usize) -> bool {
    name == EARLY_SECTION || (name == SECTION && depth == 0)
}

/// Whether a section is left out of the digest.
fn is_claims(name: &str) -> bool {
    name == EARLY_SECTION || name == SECTION
}

// === impl Level ===

impl Level {
    fn begin(&mut self, encoding: Encoding) {
        self.is_component = encoding == Encoding::Component;
        self.bytes.extend(if self.is_component { COMPONENT_HEAD } else { MODULE_HEAD });
    }

    fn section(&self) -> u8 {
        if self.is_component { COMPONENT_SECTION } else { MODULE_SECTION }
    }

    fn add(&mut self, id: u8, content: &[u8]) {
        self.bytes.push(id);
        // LEB128: seven bits a byte, the lowest first.
        let mut length = content.len();
        while length > 0x7f {
            self.bytes.push(0x80 | (length & 0x7f) as u8);
            length >>= 7;
        }
        self.bytes.push(length as u8);
        self.bytes.extend(content);
    }
}

#[cfg(test)]
mod tests;
