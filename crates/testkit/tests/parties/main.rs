//! Real parties against a hostile coordinator, a hostile relay and hostile peers.

mod charters;
mod epochs;
mod honest;
mod orders;
mod peers;
mod restart;
mod restored;
mod rules;
mod spending;
mod words;
