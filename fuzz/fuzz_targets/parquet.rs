#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| twinlens_fuzz::fuzz("parquet", bytes));
