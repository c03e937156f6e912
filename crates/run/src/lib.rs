//! The run folder: a fixed, versioned layout with atomic writes, a lock, a metrics log and a status.
