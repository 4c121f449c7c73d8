//! Reads what a browser's form sends (`application/x-www-form-urlencoded`).

const NAME_MAX: usize = 60;
const MESSAGE_MAX: usize = 1000;

/// The name and the message of a form, or what the visitor should do about it.
pub(crate) fn read(body: &[u8]) -> Result<(String, String), &'static str> {
    let body = String::from_utf8_lossy(body);
    let name = field(&body, "name").replace(['\n', '\r'], " ");
    let message = field(&body, "message").replace("\r\n", "\n");
    let (name, message) = (name.trim(), message.trim());
    if name.is_empty() || message.is_empty() {
        return Err("please leave a name and a message");
    }
    if name.chars().count() > NAME_MAX {
        return Err("please leave a name of at most 60 characters");
    }
    if message.chars().count() > MESSAGE_MAX {
        return Err("please leave a message of at most 1,000 characters");
    }
    Ok((name.to_owned(), message.to_owned()))
}

fn field(body: &str, name: &str) -> String {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| decoded(value))
        .unwrap_or_default()
}

/// Undoes the encoding: a plus sign is a space, `%` and two digits a byte.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        match escaped.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
