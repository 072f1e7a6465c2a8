//! Real parties against a hostile coordinator, a hostile relay and hostile peers.

mod bans;
mod charters;
mod children;
mod engines;
mod epochs;
mod expect;
mod honest;
mod orders;
mod peers;
mod presigned;
mod reshare_door;
mod restart;
mod restored;
mod rules;
mod spending;
mod words;
