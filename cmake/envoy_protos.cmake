# How Envoy's API becomes C++: mesh_generate_envoy_api(). The libraries themselves are in proto/, a folder of their own,
# because generated code is compiled with flags of its own.

function(mesh_run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed)
    message(FATAL_ERROR "${what} failed:\n${said}")
  endif()
endfunction()

# Several generated files in one translation unit share their headers' cost: ${folder}/unit_<n>.cc. (CMake's own unity
# build would write them into each build folder, where ccache takes them for different files.) Each generated file has
# file-local variables of the same two names, which are told apart by macros.
function(mesh_write_units folder)
  set(text "")
  set(unit 0)
  set(file 0)
  foreach(proto IN LISTS ARGN)
    string(REPLACE ".proto" ".pb.cc" source "${proto}")
    string(APPEND text "#undef schemas\n#undef file_default_instances\n"
                       "#define schemas schemas_${file}\n#define file_default_instances file_default_instances_${file}\n"
                       "#include \"cpp/${source}\"\n")
    math(EXPR file "${file} + 1")
    math(EXPR place "${file} % 8")
    list(LENGTH ARGN files)
    if(place EQUAL 0 OR file EQUAL files)
      file(WRITE "${folder}/unit_${unit}.cc" "${text}")
      set(text "")
      math(EXPR unit "${unit} + 1")
    endif()
  endforeach()
endfunction()

# Makes what Envoy's API needs and sets ${folder} to it. The folder is named after all that goes into it; it is made
# beside and moved into place, so that several build folders may configure at the same time.
function(mesh_generate_envoy_api folder)
  set(reader "${CMAKE_SOURCE_DIR}/tools/envoy_descriptors.py")
  set(roots "${CMAKE_CURRENT_SOURCE_DIR}/envoy_roots.txt")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${reader}" "${roots}" "${MESH_ENVOY_BINARY}")
  if(NOT EXISTS "${MESH_ENVOY_BINARY}")
    message(FATAL_ERROR "Envoy is not at ${MESH_ENVOY_BINARY}: run tools/fetch_envoy, or set MESH_ENVOY_BINARY to an Envoy 1.40.0")
  endif()
  find_program(MESH_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)  # the one that has Debian's python3-protobuf

  set(scratch "${CMAKE_CURRENT_BINARY_DIR}/envoy_api")
  file(REMOVE_RECURSE "${scratch}")
  mesh_run("Reading the API of ${MESH_ENVOY_BINARY}" ${MESH_SYSTEM_PYTHON} "${reader}" "${MESH_ENVOY_BINARY}" "${roots}" "${scratch}")
  file(SHA256 "${scratch}/api.fds" content)
  file(SHA256 "${CMAKE_CURRENT_FUNCTION_LIST_FILE}" rules)
  string(SHA256 key "${content} ${rules} ${Protobuf_VERSION}")
  string(SUBSTRING "${key}" 0 16 key)
  set(${folder} "${MESH_ENVOY_API_DIR}/${key}" PARENT_SCOPE)
  if(EXISTS "${MESH_ENVOY_API_DIR}/${key}/files.txt")
    return()
  endif()

  message(STATUS "Generating code for Envoy's API")
  file(STRINGS "${scratch}/files.txt" protos)
  file(MAKE_DIRECTORY "${scratch}/cpp")
  mesh_run("protoc" ${Protobuf_PROTOC_EXECUTABLE} --descriptor_set_in=${scratch}/api.fds --cpp_out=${scratch}/cpp ${protos})
  mesh_write_units("${scratch}" ${protos})
  file(MAKE_DIRECTORY "${MESH_ENVOY_API_DIR}")
  string(RANDOM LENGTH 12 suffix)
  file(COPY "${scratch}/" DESTINATION "${MESH_ENVOY_API_DIR}/.${suffix}")
  file(RENAME "${MESH_ENVOY_API_DIR}/.${suffix}" "${MESH_ENVOY_API_DIR}/${key}" RESULT lost_the_race)
  if(lost_the_race)
    file(REMOVE_RECURSE "${MESH_ENVOY_API_DIR}/.${suffix}")
  endif()
endfunction()

add_subdirectory("${CMAKE_SOURCE_DIR}/proto" proto)
