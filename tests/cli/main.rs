//! The command line, run as a program.

#![cfg(feature = "cli")]
#![allow(clippy::duplicate_mod, reason = "each example brings what all share")]

mod arrays;
mod bench;
mod combined;
mod corpus;
mod custom;
mod devices;
mod disks;
mod errors;
mod examples;
mod files;
mod files_hostile;
mod files_support;
mod metrics;
mod output;
mod plot;
mod readme;
mod speed;
