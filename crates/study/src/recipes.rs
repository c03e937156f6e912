//! The program's own studies: their names and TOML texts.

/// Every study.
pub const RECIPES: &[(&str, &str)] = &[
    ("b/figure-2", include_str!("../recipes/b/figure-2.toml")),
    ("b/figure-3", include_str!("../recipes/b/figure-3.toml")),
    ("b/figure-4", include_str!("../recipes/b/figure-4.toml")),
    ("b/table-5", include_str!("../recipes/b/table-5.toml")),
    ("b/table-6", include_str!("../recipes/b/table-6.toml")),
    ("m/blocks", include_str!("../recipes/m/blocks.toml")),
    ("p/figure-11", include_str!("../recipes/p/figure-11.toml")),
    ("p/figure-12", include_str!("../recipes/p/figure-12.toml")),
    ("p/figure-13", include_str!("../recipes/p/figure-13.toml")),
    ("p/figure-14", include_str!("../recipes/p/figure-14.toml")),
    ("p/figure-15", include_str!("../recipes/p/figure-15.toml")),
    ("p/figure-3", include_str!("../recipes/p/figure-3.toml")),
    ("p/figure-4", include_str!("../recipes/p/figure-4.toml")),
    ("p/figure-7", include_str!("../recipes/p/figure-7.toml")),
    ("p/figure-8", include_str!("../recipes/p/figure-8.toml")),
    ("p/knn", include_str!("../recipes/p/knn.toml")),
    ("p/table-1", include_str!("../recipes/p/table-1.toml")),
    ("p/table-2", include_str!("../recipes/p/table-2.toml")),
];
