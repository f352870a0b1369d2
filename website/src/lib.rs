//! website
