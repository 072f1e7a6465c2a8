//! Real parties against a hostile coordinator, a hostile relay and hostile peers.

mod honest;
