//! Decides what is answered, what is done and what is said of it: from what a host knows to values.
//!
//! What is done is a [`Course`] of [`Step`]s. Each names what it does, so that a course is read, compared and printed before
//! anything of it is done; `errands` does it.
//!
//! # Invariants
//!
//! 1. Commands are absolute: the same one twice does nothing the second time.
//! 2. Nothing here waits, and nothing here knows of a bus.
//! 3. A course that fails leaves everything as it was: what it had done is undone.

mod builtin;
mod claims;
mod components;
mod course;
mod labels;
mod learned;
mod links;
mod providers;
mod registries;
mod replacing;
mod routes;
mod settings;

pub(crate) use builtin::Builtin;
pub(crate) use claims::{claims_of, kept_claims, known_claims, own_claims, revision, said_of_component};
pub(crate) use components::{Command, bids, course, scale_words, update_words};
pub(crate) use course::{Aim, Course, Step};
pub(crate) use labels::change_label;
pub(crate) use learned::{COMPONENT, Kind, learned, read, recalled};
pub(crate) use links::{
    announced, as_known, check_settings, checks, displaced, left_beside, link_deleted, links_of, links_with, listening,
    put_link, take_link, withdrawn,
};
pub(crate) use providers::{bids_for_provider, briefing, start_words, started, stop_words};
pub(crate) use registries::logins;
pub(crate) use replacing::{drop_link, is_source, left_settings, replace_link, told_of_its_own};
pub(crate) use routes::HOSTS;
pub(crate) use settings::{told, unknown};

#[cfg(test)]
mod tests;
