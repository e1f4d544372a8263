// Templates of hostnames, as a HostnameGenerator has them: "{{ .DisplayName }}.svc.mesh.local", with .Name,
// .DisplayName, .Namespace, .Mesh and .Zone, and {{ label "app" }} for the value of a label.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh {

// What a template may ask for.
struct HostnameFields {
  std::string name, display_name, namespace_, mesh, zone;
  const std::map<std::string, std::string>* labels = nullptr;
};

// A template that was read once and is rendered for many services.
class HostnameTemplate {
 public:
  // Invalid: what cannot be read, and where.
  static Result<HostnameTemplate> parse(std::string_view text);

  // Invalid: a label that is not there, and what is no valid DNS name.
  Result<std::string> render(const HostnameFields& fields) const;

 private:
  enum class What { Text, Name, DisplayName, Namespace, Mesh, Zone, Label };
  struct Piece {
    What what = What::Text;
    std::string text;  // Text: itself; Label: the label's name
  };
  std::vector<Piece> pieces_;
};

// Reads the template and renders it with an example of everything, as a check before it is stored.
Status check_hostname_template(std::string_view text);

}  // namespace mesh
