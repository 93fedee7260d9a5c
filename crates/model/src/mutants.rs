//! Planted bugs, to show that the tests which break clusters would find them.
//!
//! A place that can be broken on purpose asks `floe_model::mutant!("name")`. Without the feature
//! `mutants`, which only the simulator's own workspace turns on, that is the literal `false` and
//! nothing of it is left in the program. With it one name may be chosen, once per process.

/// Whether the planted bug of this name is to happen.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        false
    };
}

/// Whether the planted bug of this name is to happen.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::mutants::is_chosen($name)
    };
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, is_chosen};

#[cfg(feature = "mutants")]
mod chosen {
    use std::sync::OnceLock;

    /// A test aid of one process that simulates one cluster: every node has the same bug.
    static CHOSEN: OnceLock<String> = OnceLock::new();

    /// Chooses the planted bug of this process; the first choice stands.
    pub fn choose(name: &str) {
        CHOSEN.get_or_init(|| name.to_owned());
    }

    /// Whether `name` was chosen.
    #[must_use]
    pub fn is_chosen(name: &str) -> bool {
        CHOSEN.get().is_some_and(|chosen| chosen == name)
    }
}
