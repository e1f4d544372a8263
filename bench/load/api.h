// The control plane's REST interface, as an operator uses it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "load/fleet.h"

namespace mesh::load {

class Api {
 public:
  explicit Api(Fleet& fleet) : fleet_(fleet) {}

  bool wait_until_up(Duration limit);
  Status put(const std::string& path, const std::string& document);
  Status put_mesh();
  Status put_policies();
  // What all sidecars get. `number` makes it differ from the ones before; the needle is what they then have.
  Status put_timeout(int number);
  static std::string timeout_needle(int number);
  Status put_permission(int number);
  static std::string permission_needle(int number);

  // A token for each; several requests at once.
  Result<std::vector<std::string>> make_tokens(const std::vector<Instance>& instances);

 private:
  Fleet& fleet_;
};

}  // namespace mesh::load
