//! Narrows learns compact codes from people's own data and puts them to use.

pub mod data;

pub mod recipe;
pub mod report;
