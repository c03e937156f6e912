//! The twinlens binary and its facade.
