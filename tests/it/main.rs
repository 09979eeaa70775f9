//! One test binary: scenes that cross rooms.

mod bad_input;
mod clouds;
mod conduct_corners;
mod crash_points;
mod desk_corners;
mod desk_house;
mod follow_house;
mod following_events;
mod erasing;
mod sending_back;
mod following_interactions;
mod durable_steps;
mod house;
mod journey_at_the_desk;
mod mortal;
mod privacy;
mod shuffle;
mod verbs;
mod play;
mod journeys;
mod replaying;
mod golden;
