// The schema, as the steps that led to it. A step is never edited after a release: changes are further steps.
#pragma once

#include "store/sqlite/database.h"

namespace mesh {

// Runs the steps that the file has not seen, in one transaction. Unavailable when the file belongs to another program
// or to a newer version of this one.
Status migrate(const Database& database);

}  // namespace mesh
