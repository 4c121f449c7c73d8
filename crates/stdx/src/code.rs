//! These are the codes of errors, and who can do something about each.
//!
//! A code is a promise to the reader of a message: it has a page under `docs/errors/`, and a script may match on it. The
//! exit code of the command and the status of an HTTP answer derive from [`Blame`], never from the text.

use std::fmt;

/// Who can do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// Who gave the input or the settings.
    You,
    /// The machine or the network: it may work later, or elsewhere.
    World,
    /// This program: a defect of ours.
    Us,
}

/// An error that says which page explains it and who can act.
pub trait Explain: std::error::Error {
    /// The page under `docs/errors/`.
    fn code(&self) -> Code;

    /// Who can do something about it.
    fn blame(&self) -> Blame {
        self.code().blame()
    }
}

/// Declares the codes with their blame and the one sentence of what to do.
macro_rules! codes {
    ($($code:ident $blame:ident $hint:literal)*) => {
        /// The number of an error, printed as `E0101`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $hint] $code),* }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            /// Who can do something about it.
            pub const fn blame(self) -> Blame {
                match self { $(Code::$code => Blame::$blame),* }
            }

            /// What to do about it, in one sentence.
            pub const fn hint(self) -> &'static str {
                match self { $(Code::$code => $hint),* }
            }
        }

        impl fmt::Display for Code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Code::$code => stringify!($code)),* })
            }
        }
    };
}

codes! {
    E0101 You "Check the path: it is read as given, relative to the folder that the command was started in."
    E0102 You "Give a WebAssembly file: a component or a core module, as a compiler writes it (it starts with the bytes 00 61 73 6d)."
    E0103 You "The file ends too early or is damaged: build or download it again."
    E0104 You "If this file is meant to be so large, raise the limit with --max-component-size."
    E0105 You "Split the program or lower the compiler's inlining; the limits of what is compiled are listed in docs/limits.md."
    E0106 You "Correct the WebAssembly text, or give the binary that it stands for."
    E0107 You "Have it signed again by who issues its claims, or run it without them: `wattle inspect FILE` shows what they say."
    E0108 World "Check the registry's name and that it answers; one that speaks without encryption is named with --allow-insecure-registry HOST:PORT."
    E0109 You "Say who asks: WATTLE_REGISTRY, WATTLE_REGISTRY_USER and WATTLE_REGISTRY_PASSWORD_FILE, or `docker login`; the hosts of a lattice are told by `wattle registry put`."
    E0110 You "Check the name and the tag: a registry may also say this of what it does not show to strangers."
    E0111 You "Write a reference as REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST, as in ghcr.io/shop/till:1.2; a tag `latest` is taken by hosts with --allow-latest only."
    E0112 World "Nothing of it was kept. Pull again; if it is the same, the registry or what is on the way to it is not to be trusted."
    E0113 You "Name an artefact of the right kind: `wattle push FILE REFERENCE` makes one of a component, or of a provider's archive."
    E0114 World "Have the authority of the registry's certificate trusted on this machine (SSL_CERT_FILE names a file of them), and call the registry by a name in its certificate; one without encryption is named with --allow-insecure-registry HOST:PORT."
    E0115 You "The file is complete, but breaks a rule of WebAssembly or uses what this engine does not know: compare it with the original or build it again, and leave --engine out; `wasm-tools validate FILE` says where."
    E0201 You "Try --engine winch, which compiles in one pass, or build the component with less inlining; `wattle cache clear FILE` forgets that it failed."
    E0202 World "Make the folder writable and owned by you, or name another one with --cache."
    E0203 Us "This is a defect: please report it with the file that shows it."
    E0204 You "Rebuild the component against a version that is offered, or give what it imports by composing it with a component that exports it."
    E0205 You "`wattle inspect FILE` lists what it exports, and with which command each can be used."
    E0206 You "The program stopped itself; its own output above says why. `wattle inspect FILE` shows how it was built."
    E0207 You "Give it more time with --timeout, or look for a loop that does not end."
    E0208 You "Give it more memory with --memory, or look for what grows."
    E0209 World "Free memory and address space on this machine (`ulimit -v`), or ask for less with --instances-total."
    E0301 World "Stop the program that listens there, or choose another address with --http."
    E0302 You "Give each component a name and a path of its own, as in --route /shop=shop.wasm."
    E0303 You "Give a component that exports wasi:http/incoming-handler or wasi:http/handler; `wattle run` starts a command, `wattle call` calls a function."
    E0304 You "Name a certificate and its key as PEM files that this process can read: --tls-cert cert.pem --tls-key key.pem."
    E0401 World "Check that the folder named with --data is writable, has room and is not damaged; a copy of an older state can be put in its place."
    E0402 World "Another process uses these data: stop it, or name another folder with --data."
    E0403 You "Correct the setting: --config takes NAME=VALUE, and a configuration file is TOML, JSON or lines of NAME=VALUE."
    E0501 You "Write a call as name(arguments) in WAVE, as in 'add(1, 2)' or 'pkg:name/iface.greet(\"you\")', or arguments as JSON with --json."
    E0502 You "`wattle inspect FILE` lists the functions that can be called, with their types."
    E0601 You "`wattle link backends` lists what each backend can be told."
    E0602 You "`wattle link query` shows which components there are, what they import and what each import is linked to."
    E0603 World "Start the target or correct its address, then put the link again; --unchecked puts it without looking."
    E0604 World "Start a host with `wattle up`, or name the bus of one with --nats."
    E0605 You "`wattle link query` lists the links that there are."
    E0701 World "Start what should answer: `wattle up` starts a host, and says where its bus is."
    E0702 World "Try again: what was asked may still be done. `wattle link query` shows what is."
    E0703 You "Send less at once, or keep the bytes in a store and send where they are."
    E0704 You "Write a subject as words with dots between, as in orders.new: no spaces, no empty words, wildcards only to listen."
    E0705 You "Give the address as nats://HOST:PORT, with what its server asks for: nats://USER:PASSWORD@HOST:PORT, or a file that shows who you are: --bus-token for a host's own bus, else --nats-creds, --nats-nkey or --nats-token FILE."
    E0706 World "Read what is there now, and decide anew."
    E0707 You "Start nats-server with -js, or let a host keep its own: a host without --nats does."
    E0708 You "Make room in the bucket or on its server, or name a server where the bucket can be made as it is asked for."
    E0709 You "Name a bucket by letters, digits, `-` and `_`; a key may have `/`, `=` and dots between them as well."
    E0710 You "Name the authority of the server's certificate with --nats-ca FILE, call the server by a name in that certificate, and show it a certificate of yours with --nats-cert and --nats-key where it wants one."
    E0801 World "Make the folder of the secrets, or the key, readable and writable for you; --folder and --key name others."
    E0802 You "Name the key that the secrets were put with by --key FILE, or make one with `wattle secret key FILE`."
    E0803 You "Call it by letters, digits, `-`, `_` and `.`, and give it on standard input: wattle secret put NAME < FILE (up to 64 KiB)."
    E0804 You "`wattle secret list` lists the names that there are."
    E0901 You "Correct what is named; docs/manifests.md lists what a manifest can say."
    E1001 World "Make the folder of the data, and the host's key in it, readable and writable for you, or name another folder with --data."
    E1002 You "`wattle get hosts` lists the hosts of a lattice; a component is started on one with `wattle start component FILE`."
    E1003 You "The message says what stands against it; `wattle get inventory` shows what the host runs."
    E1004 You "Settle what is named, or say whose word counts with --prefer host or --prefer lattice; `wattle lattice get` says where a host is, `wattle lattice leave` takes it out."
    E1101 World "Start what should answer, in the lattice that the link leads to: `wattle get inventory` shows what a host runs."
    E1102 World "Whether it ran is not known. Look at the host that runs it and at what listens to the whole bus, and give a link more time with its timeout."
    E1103 World "The message says why. What was not run may be called again; the host that runs it has the rest in its log."
    E1104 You "Link to something that has the same version of the contract: the two sides do not mean the same types."
    E1105 You "Send less at once, or keep the bytes in a store and send where they are."
    E1106 You "Link it to a component on the same host: resources, streams and futures do not travel to another."
    E1201 You "Give the archive of a provider (a .par or .par.gz file), or an executable of this machine that may be executed (chmod +x)."
    E1202 You "Give an archive that was built for this machine, and is signed by who issues its claims."
    E1203 World "Make room on this machine for another process and for its file in the folder of the data; the message has what the system says."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_prints_as_its_name() {
        assert_eq!(Code::E0101.to_string(), "E0101");
        assert!(Code::ALL.iter().all(|code| code.hint().ends_with('.') || code.hint().ends_with(')')));
    }
}
