//! Tables that say how one vendor event becomes facts.
