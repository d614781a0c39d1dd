DROP TABLE checked_turns;
