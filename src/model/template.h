// Templates of resources: `{{ name }}` stands for the value of a variable, as in a Dataplane that an ECS task fills in.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

// Replaces every `{{ name }}` and `{{name}}`; `{{{ name }}}` and `{{& name}}` mean the same, `{{! … }}` is a comment.
// Values go in as they are and are not looked at for placeholders. Invalid: a variable that is not set (all of them are
// named, with their lines), a placeholder that does not end, a mustache feature that resources have no use for.
Result<std::string> render_template(std::string_view text, const std::map<std::string, std::string>& variables);

}  // namespace mesh
