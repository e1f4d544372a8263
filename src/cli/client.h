// The REST interface of one control plane, as the commands use it.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cli/config_file.h"
#include "wire/client.h"
#include "wire/http.h"

namespace mesh::cli {

using Query = std::vector<std::pair<std::string, std::string>>;

class Client {
 public:
  // Reads the certificate files that `control_plane` names.
  static Result<Client> open(const ControlPlane& control_plane, Duration timeout);

  // `path` begins with "/"; its pieces must be escaped (see `piece`). An answer that is not 2xx becomes an Error whose
  // text is the server's title and detail, with all violations.
  Result<wire::Response> get(std::string_view path, const Query& query = {}) const;
  Result<boost::json::value> get_json(std::string_view path, const Query& query = {}) const;
  Result<wire::Response> put(std::string_view path, const boost::json::value& body) const;
  Result<wire::Response> post(std::string_view path, const boost::json::value& body) const;
  Result<wire::Response> remove(std::string_view path) const;

 private:
  Result<wire::Response> send(const char* method, std::string_view path, const Query& query, std::string body) const;
  wire::ClientRequest template_;  // url: the address, without a slash at its end
};

std::string piece(std::string_view text);  // percent-encoded

// "title (detail)" and one line per violation.
Error server_error(const wire::Response& response);

}  // namespace mesh::cli
