//! The public interface as parties and servers use it.

mod fixtures;
mod properties;
mod signatures;
mod strict;
mod transfers;
