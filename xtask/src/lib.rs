//! Checks of the repository conventions, as tests.
