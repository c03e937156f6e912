//! Judging features: neighbours, linear probes, metrics, maps. Features in, numbers out.
