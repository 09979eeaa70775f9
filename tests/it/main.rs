//! One test binary: scenes that cross rooms.

mod desk_house;
mod erasing;
mod follow_house;
mod following_events;
mod following_interactions;
mod journey_at_the_desk;
mod sending_back;
