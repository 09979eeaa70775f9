//! One test binary: scenes that cross rooms.

mod desk_house;
mod follow_house;
mod following_events;
mod journey_at_the_desk;
