//! What the process does with memory that it has freed.

/// Makes this process keep the memory that it frees, and use it again: by default large arrays go back to the system, which
/// clears every page of them that is touched once more. A training step frees and needs the same arrays again and again.
///
/// Speaks for the whole process, so a program calls it when it starts and a library does not. It has an effect where the C
/// library is glibc; elsewhere the allocator decides.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, -1)] {
        // SAFETY: takes two numbers. What it refuses stays as it is.
        #[expect(unsafe_code)]
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}
