//! First boot: asks the declared control planes, decides by pure code, acts through operations.
