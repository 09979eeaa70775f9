//! One test binary: scenes that cross rooms.

mod desk_house;
mod journey_at_the_desk;
