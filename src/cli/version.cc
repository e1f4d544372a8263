#include "base/version.h"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <ostream>

#include "cli/commands.h"
#include "cli/fields.h"
#include "model/json.h"

namespace mesh::cli {

Status version(Session& session, bool detailed) {
  std::ostream& out = session.terminal.out;
  if (detailed) {
    out << fmt::format("Product:       {}\nVersion:       {}\nBased on Kuma: {}\n", kProduct, kVersion, kPeerVersion);
  } else {
    out << fmt::format("Client: {} {}\n", kProduct, kVersion);
  }
  const auto client = session.open_client();
  const auto index = client ? client->get_json("/") : Result<boost::json::value>(client.error());
  if (!index) {
    session.terminal.err << fmt::format("Unable to connect to control plane: {}\n", index.error().message());
    return {};  // the version of this program was shown all the same
  }
  if (detailed) {
    out << fmt::format("Server: {}\n", print_json(*index, 3));
  } else {
    out << fmt::format("Server: {} {}\n", text_at(*index, {"product"}), text_at(*index, {"version"}));
  }
  return {};
}

}  // namespace mesh::cli
