//! Redis: the engine whose every decision is one Lua script, and its outbox.
