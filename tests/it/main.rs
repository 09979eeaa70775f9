//! One test binary: scenes that cross rooms.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod bad_connect;
mod bad_input;
mod beginnings_and_ends;
mod chats;
mod clouds;
mod conduct_corners;
mod crash_points;
mod desk_corners;
mod desk_house;
mod desk_upkeep;
mod disk;
mod dispatching;
mod doubting_the_end;
mod durable_steps;
mod erasing;
mod follow_house;
mod following_events;
mod following_interactions;
mod front_desk;
mod golden;
mod house;
mod journey_at_the_desk;
mod journeys;
mod mortal;
mod play;
mod privacy;
mod replaying;
mod sending_back;
mod shuffle;
mod under_way;
mod verbs;
mod what_is_told;
