//! A live source that goes away, and comes back; and what a run that goes on reads of it.
