#!/usr/bin/env node
// The command `spearlet`.
