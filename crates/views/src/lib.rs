//! Transformations of images and the policies that compose them.
