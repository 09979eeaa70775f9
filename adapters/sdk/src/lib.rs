//! The language that the hub and its adapters speak.
