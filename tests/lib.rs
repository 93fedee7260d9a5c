//! Black-box tests of real processes; the tests are in `it/`.
