//! Both bodies of every operation give the same numbers and gradients.
