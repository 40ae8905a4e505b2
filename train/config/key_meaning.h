#pragma once

#include <string>

#include "train/config/command_table.h"
#include "train/config/keys.h"

namespace rtdetr {

/// A key's meaning as one command has it. What follows "val: " or "val, predict: ", at the start of a clause, is of
/// those commands, up to the next such words; it is left out for all others.
std::string meaning_for(const Key& key, Command command);

}  // namespace rtdetr
