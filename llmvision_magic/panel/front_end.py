def module():
    return "export default { render() {} };"


def stylesheet():
    return ""
