//! Requests that nobody sends by mistake.
