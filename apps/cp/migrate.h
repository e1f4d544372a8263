// taskmesh-cp migrate: brings the schema of a PostgreSQL database up to date, or says how far it is.
#pragma once

#include "base/result.h"
#include "settings/control_plane.h"

namespace mesh {

// They tell what they do on standard output.
Status migrate_up(const settings::StoreSection& settings);
Status migrate_status(const settings::StoreSection& settings);
// Takes over what Kuma's control plane keeps in a database of the same server; `database` empty: in the same database.
Status migrate_from_kuma(const settings::StoreSection& settings, const std::string& database);

}  // namespace mesh
