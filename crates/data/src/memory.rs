//! How much memory there is.

/// Bytes of memory available to this process now. Of a control group's limit (containers, batch systems) what
/// its processes hold is taken; files that the system merely remembers there are not, as they give way. A limit of the
/// process's own (`ulimit -v`) counts where the system tells it.
pub fn available_memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let group = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let limits = [group, address_space()].into_iter().flatten();
    limits.fold(system.available_memory(), u64::min)
}

/// Bytes that this process may still map, where that is limited and `/proc` tells.
fn address_space() -> Option<u64> {
    let limit = number(&std::fs::read_to_string("/proc/self/limits").ok()?, "Max address space")?;
    let mapped = number(&std::fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(limit.saturating_sub(1024 * mapped))
}

/// The number that follows `name` at the start of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_where_there_are_some() {
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax address space     4194304000   unlimited    bytes\n";
        assert_eq!(number(limits, "Max address space"), Some(4_194_304_000));
        assert_eq!(number("Max address space     unlimited   unlimited  bytes\n", "Max address space"), None);
        assert_eq!(number("VmSize:\t  268980 kB\n", "VmSize:"), Some(268_980));
        assert!(available_memory() > 1 << 20);
    }
}
